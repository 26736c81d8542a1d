"""Learning from each other: case studies, approved before anybody else reads them."""
