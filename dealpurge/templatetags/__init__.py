"""Where Django looks for template filters: ``{% load dealpurge %}``.

Imports ``console``, whose words the filters are.
"""
