"""How a job reaches the machine that runs it."""
