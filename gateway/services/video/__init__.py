"""From "submit" to the video on disk: intake, preparation, rendering, retention."""
