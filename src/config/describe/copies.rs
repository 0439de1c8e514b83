//! What is copied and compared, in words.

use crate::{
    config::{describe::page::Page, scalar::shown_duration},
    evidence::Sameness,
    plan::{CopiedMethods, Plan, Samples, ShadowPlan},
};

pub(super) fn copies(plan: &Plan, shadow: &ShadowPlan, page: &mut Page) {
    page.heading("Copies for comparing");
    page.item(&format!(
        "of the safe requests that old answers, {} are copied once they are answered; {} of the copies go to old once more, since what \
         differs there is noise, the others to new",
        shadow.share, shadow.noise
    ));
    page.item(&format!(
        "no more than {} at once, each within {}: what is beyond that is not copied, and no client waits for any; none is sent while \
         everything is rolled back",
        shadow.copies,
        shown_duration(shadow.timeout)
    ));
    page.item(match shadow.samples {
        Samples::Masked => "samples of what differs are masked",
        Samples::Shown => "samples show what was answered, whoever it is about",
    });
    for route in &plan.routes {
        let what = match route.copied_methods() {
            CopiedMethods::Safe => continue,
            CopiedMethods::None => "is not copied",
            CopiedMethods::All => {
                "is copied whatever its methods: new carries out what its clients ask old for"
            }
        };
        page.item(&format!("route {:?} {what}", route.name));
    }
    if let Some(accepted) = shadow.max_difference {
        let needed = Sameness::new().permit(accepted).requests_left;
        page.item(&format!(
            "the weight rises only once no more than {accepted} of the copies to new are shown to differ beyond noise: {needed} of them \
             without a difference do, and a restart begins anew"
        ));
    }
}
