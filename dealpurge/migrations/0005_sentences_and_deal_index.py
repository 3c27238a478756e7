from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("dealpurge", "0004_cancelled_by"),
    ]

    operations = [
        migrations.AddField(
            model_name="purgerun",
            name="sentences",
            field=models.JSONField(blank=True, editable=False, null=True),
        ),
        migrations.AddIndex(
            model_name="purgerundeal",
            index=models.Index(fields=["deal_id"], name="dealpurge_run_deal"),
        ),
        migrations.AlterField(
            model_name="purgerundeal",
            name="deal_id",
            field=models.CharField(max_length=255, verbose_name="deal"),
        ),
    ]
