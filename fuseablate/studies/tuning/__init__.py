"""The tuning of a study's variants, so that each is compared at its best."""
