"""From what people and programs write to what a speech model may read: characters, marks, markup, written forms."""
