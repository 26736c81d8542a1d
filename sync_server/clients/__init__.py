"""The programs that speak to the server: how old they may be, and the plugin that it hands out."""
