from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("dealpurge", "0006_idempotency_key"),
    ]

    operations = [
        migrations.AddField(
            model_name="purgerun",
            name="leave_never_active",
            field=models.BooleanField(db_default=False, default=False, verbose_name="never active stay"),
        ),
        migrations.AddField(
            model_name="purgerun",
            name="at_most_deals",
            field=models.BigIntegerField(blank=True, null=True, verbose_name="deals at most"),
        ),
        migrations.AddField(
            model_name="purgerun",
            name="at_most_keys",
            field=models.BigIntegerField(blank=True, null=True, verbose_name="keys at most"),
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
                ],
                max_length=20,
                verbose_name="outcome",
            ),
        ),
    ]
