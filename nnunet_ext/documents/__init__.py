"""Tables and settings as text: one reader and one writer per format, and nothing in them believed unread."""
