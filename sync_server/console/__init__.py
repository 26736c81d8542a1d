"""The console: pages for the SafeStats team, organisation administrators, suppliers and auditors."""
