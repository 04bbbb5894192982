"""The verbs: what Sealock does with a build, through the ports of `core` alone."""
