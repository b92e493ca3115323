"""The plain two-matrix channel mixer."""
