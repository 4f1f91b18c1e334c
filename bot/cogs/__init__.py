"""What the bot reacts to on Discord: posts, the commands and the menus."""
