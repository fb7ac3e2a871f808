"""Studies: the plan, Optuna's trials, the driver, and how a study looks while it runs."""
