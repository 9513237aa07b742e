"""Checks beside each heat map: does the score follow what it marks, and does it depend on what was learned?"""
