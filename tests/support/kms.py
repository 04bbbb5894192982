"""AWS KMS as moto serves it, on loopback."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}


@dataclass
class RunningKms:
    """KMS at `endpoint`, with one key of ours. client: for what a test does behind our back."""

    endpoint: str
    key: str
    client: Any

    def new_key(self) -> str:
        """Another key's ARN."""
        return str(self.client.create_key()["KeyMetadata"]["Arn"])

    def be_user(self, monkeypatch: pytest.MonkeyPatch, action: str) -> None:
        """From now on ask as a new user of the account, who may do that and nothing else."""
        iam = boto3.client("iam", endpoint_url=self.endpoint, region_name="eu-west-1")
        iam.create_user(UserName="keeper")
        policy = {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}],
        }
        iam.put_user_policy(UserName="keeper", PolicyName="keeper", PolicyDocument=json.dumps(policy))
        made = iam.create_access_key(UserName="keeper")["AccessKey"]
        iam.close()
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", made["AccessKeyId"])
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", made["SecretAccessKey"])
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)  # which remembers who it was


@contextmanager
def running_kms() -> Iterator[RunningKms]:
    """Serve KMS until the block is left. The environment must hold `CREDENTIALS`."""
    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        client = boto3.client("kms", endpoint_url=endpoint, region_name="eu-west-1")
        key = client.create_key()["KeyMetadata"]["Arn"]
        yield RunningKms(endpoint, key, client)
        client.close()
    finally:
        server.stop()
