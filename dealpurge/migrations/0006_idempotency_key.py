from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("dealpurge", "0005_sentences_and_deal_index"),
    ]

    operations = [
        migrations.AddField(
            model_name="purgerun",
            name="idempotency_key",
            field=models.CharField(editable=False, max_length=64, null=True),
        ),
        migrations.AddConstraint(
            model_name="purgerun",
            constraint=models.UniqueConstraint(fields=("idempotency_key",), name="dealpurge_run_idempotency"),
        ),
    ]
