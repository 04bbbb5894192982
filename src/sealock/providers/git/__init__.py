"""Any Git server over SSH, and Git repositories on this host."""
