"""Commands about faces, teachers and students."""
