"""The compatibility certificate: what a claim of "no re-enrolment" has to state."""
