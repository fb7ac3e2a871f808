"""The search design: trials that are sampled, ended early or late, and the finalists."""
