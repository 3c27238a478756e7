from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin

from dealpurge.admin import DealPurgeAdminMixin

from .models import Deal, Organization

# Django's ModelAdmin is generic for type checkers only.
if TYPE_CHECKING:
    OrganizationModelAdmin = admin.ModelAdmin[Organization]
    DealModelAdmin = admin.ModelAdmin[Deal]
else:
    OrganizationModelAdmin = DealModelAdmin = admin.ModelAdmin

admin.site.site_header = "Deal platform administration"
admin.site.site_title = "Deal platform"


@admin.register(Organization)
class OrganizationAdmin(OrganizationModelAdmin):
    list_display = ("name", "slug")
    search_fields = ("name", "slug")


@admin.register(Deal)
class DealAdmin(DealPurgeAdminMixin, DealModelAdmin):
    purge_org_field = "organization__slug"
    list_display = ("deal_id", "name", "organization", "status", "created")
    list_filter = ("status", "organization")
    list_select_related = ("organization",)
    search_fields = ("deal_id", "name", "organization__name", "organization__slug")
    date_hierarchy = "created"
