from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("dealpurge", "0008_deals_and_server"),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name="inventorydeal",
            name="dealpurge_inventory_active",
        ),
        migrations.RemoveIndex(
            model_name="inventorydeal",
            name="dealpurge_inventory_org",
        ),
        migrations.AddIndex(
            model_name="inventorydeal",
            index=models.Index(fields=["run", "last_active_at", "keys"], name="dealpurge_inventory_active"),
        ),
        migrations.AddIndex(
            model_name="inventorydeal",
            index=models.Index(
                fields=["run", "org_id", "deal_id", "keys", "last_active_at"], name="dealpurge_inventory_org"
            ),
        ),
    ]
