"""``make bench``: what SafeStats takes, each figure beside a peer's or a physical limit of the same run."""
