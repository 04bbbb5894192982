#!/bin/sh
# Tells Sealock of pushes to this repository. Save as hooks/post-receive in the (bare) repository, owned by
# the user that receives pushes, mode 0700: it holds the secret that pushes are signed with.
# Needs curl and openssl. If the website's certificate is of an authority this host does not know, save that
# authority's certificate as hooks/sealock-authority.pem.
set -u
address=@ADDRESS@
repository=@REPOSITORY@
inner=@INNER@
outer=@OUTER@
authority=$(dirname -- "$0")/sealock-authority.pem

# HMAC-SHA256 of what comes in. printf belongs to the shell, so the secret is nobody's argument.
# shellcheck disable=SC2059
signature() {
  { printf "$inner"; cat; } | openssl dgst -sha256 -binary |
    { printf "$outer"; cat; } | openssl dgst -sha256 -r | cut -c 1-64
}

tell() {
  # A quotation mark is all that a ref may hold and JSON may not.
  name=$3
  ref=$(printf '%s' "$name" | sed 's/"/\\"/g')
  body="{\"delivery\": \"$(openssl rand -hex 16)\", \"sent_at\": $(date +%s), \"repository\": \"$repository\", \"ref\": \"$ref\", \"before\": \"$1\", \"after\": \"$2\"}"
  signed=$(printf '%s' "$body" | signature)
  set -- --silent --show-error --output /dev/null --write-out '%{http_code}' --proto =https --tlsv1.2 \
    --connect-timeout 5 --max-time 20 --retry 2 --header 'Content-Type: application/json' \
    --header "X-Sealock-Signature: sha256=$signed" --data-binary @-
  if [ -f "$authority" ]; then set -- --cacert "$authority" "$@"; fi
  # -q: what stands in somebody's .curlrc must not change this.
  status=$(printf '%s' "$body" | curl -q "$@" "$address")
  case $status in
    200 | 202) printf 'Sealock: told of %s\n' "$name" ;;
    *) printf 'Sealock: could not be told of %s (HTTP %s)\n' "$name" "$status" >&2 ;;
  esac
  case $status in
    000)
      if [ -f "$authority" ]; then return; fi
      printf 'Sealock: is its certificate of its own authority? Save what sealock authority prints there as\n' >&2
      printf '%s\n' "$authority" >&2
      ;;
    401) printf 'Sealock: it takes another secret; sealock projects hook NAME --script prints the script anew\n' >&2 ;;
  esac
}

while read -r before after ref; do
  case $ref in
    refs/heads/* | refs/tags/*) tell "$before" "$after" "$ref" ;;
  esac
done
exit 0
