//! Exit codes of every command where it cannot work: outside of a repository, in a bare one, before the first commit.
