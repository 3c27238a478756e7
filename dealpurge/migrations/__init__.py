"""The tables of the record, step by step; ``models`` says what they hold.

Made by ``manage.py makemigrations``; imports nothing of the app.
"""
