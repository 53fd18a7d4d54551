"""How a study is extended: a kind of thing is a package, and each of its modules is one."""
