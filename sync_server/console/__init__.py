"""The console: pages for the SafeStats team, organisations' administrators, suppliers and auditors."""
