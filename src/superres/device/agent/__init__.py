"""How a device serves jobs: what one SSH connection asks for, a store of files, and an agent that outlives connections."""
