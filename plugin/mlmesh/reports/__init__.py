"""Floor 2: results for people and machines. A report sees a result, nothing else."""
