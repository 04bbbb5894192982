"""Images: from a recipe to the kernel, initrd and root that machines start from."""
