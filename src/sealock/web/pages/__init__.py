"""The pages of the website: made on the server, readable without a script."""
