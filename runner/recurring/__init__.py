"""Scheduled sweeps: what is run when, what came of it, and which model is in service.

A schedule's folder on storage is ``cluster.schedules``; when it is due, ``cluster.calendar``.
"""
