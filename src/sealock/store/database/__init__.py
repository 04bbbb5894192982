"""The server's database, in SQLite or PostgreSQL: the same tables, the same migrations, the same promises.

`engine` opens it and refuses what is not safe, `migrations` bring its tables up to date, `backup` takes it
elsewhere. What lies in it is sealed or public: whoever reads it all reads no customer's secret.
"""
