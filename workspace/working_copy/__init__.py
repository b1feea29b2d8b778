"""Working copies: a folder on a branch, its snapshots, and the files that follow commits."""
