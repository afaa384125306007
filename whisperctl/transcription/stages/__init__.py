"""Stages that segments pass through between the engine and the transcript."""
