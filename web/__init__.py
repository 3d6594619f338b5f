"""What the house shows over HTTP: pages for people, and the front door for programs."""
