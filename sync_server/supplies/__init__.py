"""Suppliers' doors: what comes in over the page, the API and the watched folder, and the receipts of it."""
