"""The contract with hosts: messages, frames in shared memory, and the client. Hosts import only this."""
