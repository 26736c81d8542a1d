"""Files that come over the network and are loaded by a job."""
