"""Floor 1: what every other module speaks of: errors, findings, patches, units."""
