"""What the HTTP servers share: problems (error answers) and bearer tokens."""
