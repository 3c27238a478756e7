from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("dealpurge", "0007_limits_and_never_active"),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name="purgerundeal",
            name="dealpurge_run_deal",
        ),
        migrations.AddField(
            model_name="purgerun",
            name="environment",
            field=models.CharField(blank=True, db_default="", default="", max_length=100, verbose_name="environment"),
        ),
        migrations.AddField(
            model_name="purgerun",
            name="outcomes",
            field=models.JSONField(blank=True, editable=False, null=True, verbose_name="deals by outcome"),
        ),
        migrations.AddField(
            model_name="purgerun",
            name="redis_address",
            field=models.TextField(blank=True, db_default="", default="", verbose_name="configured address"),
        ),
        migrations.AddField(
            model_name="purgerun",
            name="redis_processes",
            field=models.JSONField(blank=True, editable=False, null=True, verbose_name="processes of Redis"),
        ),
        migrations.AddField(
            model_name="purgerun",
            name="server_label",
            field=models.CharField(blank=True, db_default="", default="", max_length=255, verbose_name="server"),
        ),
        migrations.AddField(
            model_name="purgerundeal",
            name="keys_deleted",
            field=models.BigIntegerField(null=True, verbose_name="keys deleted"),
        ),
        migrations.AddField(
            model_name="purgerundeal",
            name="keys_left",
            field=models.BigIntegerField(null=True, verbose_name="keys left"),
        ),
        migrations.AddField(
            model_name="purgerundeal",
            name="last_active_at",
            field=models.DateTimeField(null=True, verbose_name="last activity"),
        ),
        migrations.AlterField(
            model_name="purgerundeal",
            name="outcome",
            field=models.CharField(
                choices=[
                    ("purged", "purged"),
                    ("skipped_active", "skipped, active"),
                    ("skipped_never_active", "skipped, never active"),
                    ("interrupted", "interrupted"),
                    ("not_removed", "not removed"),
                    ("not_found", "not found"),
                    ("would_be_purged", "would be purged"),
                    ("would_be_skipped", "would be skipped"),
                ],
                max_length=20,
                verbose_name="outcome",
            ),
        ),
        migrations.AddIndex(
            model_name="purgerundeal",
            index=models.Index(fields=["deal_id", "org_id"], name="dealpurge_run_deal"),
        ),
    ]
