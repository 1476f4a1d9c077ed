"""Membership inference against a finished run: can its models be asked which images they were trained on?"""
