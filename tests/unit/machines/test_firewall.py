"""The rules of a machine's network as text; whether they hold is tried in tests/security."""

from __future__ import annotations

import re
from ipaddress import IPv4Address

import pytest

from sealock.core.machine import NetworkPolicy
from sealock.machines.firewall import REFUSED, RESOLVER, GitServer, Range, ruleset

HOST = ("127.0.0.1", "203.0.113.7", "10.1.2.3")


def elements(rules: str, name: str) -> list[Range]:
    """What a set of the rules holds."""
    found = re.search(rf"set {name} {{ .*?(?:elements = {{ (.*?) }})? }}\n", rules)
    assert found, rules
    return [Range(text) for text in (found[1] or "").split(", ") if text]


def forward(rules: str) -> list[str]:
    lines = re.search(r"policy drop;\n((?:    .*\n)*)  }\n  chain leaving", rules)
    assert lines
    return [line.strip() for line in lines[1].splitlines()]


def of(policy: NetworkPolicy = NetworkPolicy.INTERNET, *allowed: str) -> str:
    return ruleset(policy, host=HOST, allowed=map(Range, allowed))


@pytest.mark.parametrize("policy", [NetworkPolicy.NONE, NetworkPolicy.GIT_ONLY])
def test_without_the_internet_nothing_is_passed_on(policy: NetworkPolicy) -> None:
    lines = forward(of(policy, "10.9.9.9"))
    assert not [line for line in lines if "accept" in line and "established" not in line]


GIT = GitServer("git.example.com", (Range("203.0.113.9"),), 2222)


def test_git_only_opens_the_git_server_and_no_more() -> None:
    rules = ruleset(NetworkPolicy.GIT_ONLY, host=HOST, allowed=[Range("10.9.9.9")], git=GIT)
    accepted = [line for line in forward(rules) if "accept" in line and "established" not in line]
    server = "ip daddr @git tcp dport { 22, 443, 2222 } accept"
    assert accepted == [f"ip daddr @allowed {server}", server]
    assert elements(rules, "git") == [Range("203.0.113.9")]
    lines = forward(rules)
    own = next(n for n, line in enumerate(lines) if "@own" in line)
    refused = next(n for n, line in enumerate(lines) if "@refused" in line)
    assert own < lines.index(accepted[0]) < refused < lines.index(server)


@pytest.mark.parametrize("policy", [NetworkPolicy.NONE, NetworkPolicy.INTERNET])
def test_other_policies_know_no_git_server(policy: NetworkPolicy) -> None:
    assert forward(ruleset(policy, host=HOST, allowed=[], git=GIT)) == forward(of(policy))


def test_mail_is_closed_on_a_git_server_too() -> None:
    assert "25" not in GitServer("git.example.com", (), 25).ports.split(", ")


def test_a_git_server_is_named_in_the_guest() -> None:
    assert GIT.hosts == "203.0.113.9 git.example.com\n"


def test_every_chain_refuses_what_is_not_named() -> None:
    rules = of()
    for hook in ("input", "output", "forward"):
        assert f"type filter hook {hook} priority filter; policy drop;" in rules


@pytest.mark.parametrize("policy", list(NetworkPolicy))
def test_what_is_not_from_the_guests_own_address_is_dropped_before_anything_passes(
    policy: NetworkPolicy,
) -> None:
    """The attack: a guest sends as somebody else, or by IPv6, of which the other rules know nothing."""
    lines = forward(ruleset(policy, host=HOST, allowed=[Range("10.9.9.9")], git=GIT))
    assert lines[:4] == [
        'iifname "up0" ct state established,related accept',
        'iifname != "tap0" drop',
        "ip saddr != 10.0.2.15 drop",
        "meta nfproto != ipv4 drop",
    ]


PRIVATE = "10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 169.254.169.254 127.0.0.1 0.0.0.0 100.64.0.1"
SPECIAL = "198.18.0.1 224.0.0.1 240.0.0.1 255.255.255.255"


@pytest.mark.parametrize("address", f"{PRIVATE} {SPECIAL}".split())
def test_special_ranges_are_refused(address: str) -> None:
    assert any(IPv4Address(address) in each for each in elements(of(), "refused"))


@pytest.mark.parametrize("address", ["1.1.1.1", "203.0.113.5", "172.32.0.1", "11.0.0.1", "223.255.255.255"])
def test_public_addresses_are_not(address: str) -> None:
    assert not any(IPv4Address(address) in each for each in elements(of(), "refused"))


def test_exceptions_come_before_what_they_are_exceptions_of_and_after_this_host() -> None:
    lines = forward(of(NetworkPolicy.INTERNET, "10.1.0.0/16"))
    first = {
        name: next(n for n, line in enumerate(lines) if name in line)
        for name in ("@own", "@allowed", "@refused")
    }
    assert first["@own"] < first["@allowed"] < first["@refused"] < lines.index("accept")
    assert lines.index("tcp dport 25 reject with tcp reset") < first["@own"]
    assert lines.index(f"ip daddr {RESOLVER} udp dport 53 accept") < first["@own"]


def test_this_host_is_refused_also_inside_an_exception() -> None:
    own = elements(of(NetworkPolicy.INTERNET, "10.1.0.0/16"), "own")
    assert {str(each.network_address) for each in own} == set(HOST)


def test_but_not_where_it_is_named() -> None:
    rules = of(NetworkPolicy.INTERNET, "10.1.2.3", "10.1.0.0/24")
    assert Range("10.1.2.3") not in elements(rules, "own")
    assert Range("10.1.2.3") in elements(rules, "allowed")


def test_overlapping_exceptions_are_merged() -> None:
    rules = of(NetworkPolicy.INTERNET, "10.1.0.0/16", "10.1.2.0/24", "10.1.2.9")
    assert elements(rules, "allowed") == [Range("10.1.0.0/16")]


def test_no_exceptions_make_no_empty_list() -> None:
    assert elements(of(), "allowed") == []
    assert "elements = {  }" not in of()


def test_the_ranges_are_well_formed() -> None:
    assert len({Range(text) for text in REFUSED}) == len(REFUSED)
