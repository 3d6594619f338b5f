"""The command `mirepoix`: one file a group of commands, `screen` for what people see."""
