"""What a borough needs: a pack of charts, maps and tables for its strategic needs assessment, and denominators."""
