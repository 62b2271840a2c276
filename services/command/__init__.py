"""The `qingyu` command: what people at a terminal and scripts use to run and to ask the processes."""
