from __future__ import annotations

from django.db import models
from django.utils import timezone


class Organization(models.Model):
    slug = models.SlugField(max_length=64, unique=True, help_text="The organisation's id in Redis keys.")
    name = models.CharField(max_length=200)

    class Meta:
        ordering = ("name",)
        verbose_name = "organisation"

    def __str__(self) -> str:
        return self.name


class Deal(models.Model):
    class Status(models.TextChoices):
        DRAFT = "draft", "Draft"
        OPEN = "open", "Open"
        WON = "won", "Won"
        LOST = "lost", "Lost"

    deal_id = models.CharField("deal id", max_length=64, help_text="The deal's id in Redis keys.")
    organization = models.ForeignKey(
        Organization, on_delete=models.CASCADE, related_name="deals", verbose_name="organisation"
    )
    name = models.CharField(max_length=200)
    status = models.CharField(max_length=10, choices=Status, default=Status.DRAFT)
    created = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ("id",)
        constraints = (models.UniqueConstraint(fields=("organization", "deal_id"), name="one_deal_id_an_organization"),)

    def __str__(self) -> str:
        return f"{self.name} ({self.deal_id})"
