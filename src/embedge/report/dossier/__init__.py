"""The dossier: a technology test report with its checklist, groups and shaped verdicts."""
