"""What holds the key-encryption keys: a file, a passphrase, Vault's transit engine, or AWS KMS.

`port` says what each of them does; they do not know each other. Only the one that an installation has
chosen is imported, so that nobody needs the libraries of another.
"""
