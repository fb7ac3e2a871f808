"""Every command over every kind of file, spoilt in a thousand ways from fixed seeds."""
