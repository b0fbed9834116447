"""From records to tables and checks. Nothing here trains."""
